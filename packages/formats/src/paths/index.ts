/** From what a program names to files. */
export { type PathArgument, pathOf } from './path-argument.ts'
