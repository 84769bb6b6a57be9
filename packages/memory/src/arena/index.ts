export * from './arena.ts'
export * from './reservation.ts'
export * from './workspace.ts'
