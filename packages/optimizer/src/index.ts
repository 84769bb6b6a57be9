export * from './optimize.ts'
export type { Rule } from './rule.ts'
export { rules } from './rules.ts'
