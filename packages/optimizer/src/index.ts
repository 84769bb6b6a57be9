export * from './optimize.ts'
export * from './optimize-all.ts'
export type { Rule } from './rule.ts'
export { rules } from './rules.ts'
