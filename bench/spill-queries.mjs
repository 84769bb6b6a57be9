// The questions of the benchmark with limits: each writes its answer as Parquet, so that results take no memory.
// `build` makes the query for Spillway and nodejs-polars (whose names agree), `sql` for DuckDB; `sums` are compared:
// totals of columns, and of hashes of rows where all of a row must be right.
import { generateG1 } from './generate-g1.mjs'
import { spillTable } from './spill-data.mjs'

const G1_KEYS = ['id1', 'id2', 'id3', 'id4', 'id5', 'id6']
const quote = (path) => `read_parquet('${path.replaceAll("'", "''")}')`

const q10 = {
  files: async () => ({ g1: await generateG1(1e7) }),
  sql: ({ g1 }) => `SELECT ${G1_KEYS.join(', ')}, sum(v3) AS v3, count(v1) AS count FROM ${quote(g1)} GROUP BY ALL`,
  build: (scan, { g1 }, { col }) => scan(g1).groupBy(G1_KEYS).agg(col('v3').sum(), col('v1').count().alias('count')),
  sums: ['v3', 'count'],
}

/** The build side's payload is used after the join, so it goes through it. */
const joinOf = (buildRows, probeRows) => ({
  files: async () => ({
    build: spillTable('build', buildRows),
    probe: spillTable('probe', probeRows, buildRows),
  }),
  sql: ({ build, probe }) => `SELECT key, sum(amount) AS amount, min(payload) AS payload
    FROM ${quote(probe)} AS probe JOIN ${quote(build)} AS build USING (key) GROUP BY key`,
  build: (scan, { build, probe }, { col }) =>
    scan(probe)
      .join(scan(build), { on: 'key', how: 'inner' })
      .groupBy('key')
      .agg(col('amount').sum(), col('payload').min()),
  sums: ['key', 'amount', 'hash(key, payload) % 1000003'],
})

const sort = {
  files: async () => ({ rows: spillTable('sort', 2e7) }),
  sql: ({ rows }) => `SELECT * FROM ${quote(rows)} ORDER BY key, value`,
  build: (scan, { rows }) => scan(rows).sort(['key', 'value']),
  sums: ['key', 'value', 'hash(key, value, payload) % 1000003'],
  orderedBy: ['key', 'value'],
}

/** Five joins in a row, every table about 400 MB and wholly used: all of them live under one limit. */
const CHAIN_PARTS = [1, 2, 3, 4, 5, 6]
const chain = {
  files: async () => CHAIN_PARTS.map((part) => spillTable('chain', 4e6, part)),
  sql: ([first, ...others]) => `SELECT sum(key) AS key,
    ${CHAIN_PARTS.map((part) => `min(p${part}) AS min${part}, max(p${part}) AS max${part}`).join(', ')}
    FROM ${quote(first)} AS t1 ${others.map((path, at) => `JOIN ${quote(path)} AS t${at + 2} USING (key)`).join(' ')}`,
  build: (scan, files, { col }) =>
    files
      .map((path) => scan(path))
      .reduce((joined, each) => joined.join(each, { on: 'key', how: 'inner' }))
      .select(
        col('key').sum(),
        ...CHAIN_PARTS.flatMap((part) => [
          col(`p${part}`).min().alias(`min${part}`),
          col(`p${part}`).max().alias(`max${part}`),
        ]),
      ),
  sums: ['key', ...CHAIN_PARTS.map((part) => `hash(min${part}, max${part}) % 1000003`)],
}

export const spillQueries = new Map([
  ['q10', q10],
  ['join', joinOf(4e6, 2e7)],
  ['sort', sort],
  ['chain', chain],
  ['join-large', joinOf(4e7, 2e8)],
])
