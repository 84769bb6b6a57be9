// The questions of the group-by benchmark, each asked three ways: SQL for DuckDB, expressions for nodejs-polars and for
// Spillway (whose names agree, so that one builder serves both unless said otherwise).
//
// kind   file: scan the Parquet file each time; memory: the same over a table loaded beforehand; sink: scan the file
//        and write the answer as Parquet.
// sums   numeric output columns whose totals are compared between the engines after the timed runs.

/** @typedef {{ name: string, kind: 'file' | 'memory' | 'sink', columns: string[], sums: string[],
 *   sql: (source: string) => string, build: (frame: any, api: any) => any }} Query */

const ID_COLUMNS = ['id1', 'id2', 'id3', 'id4', 'id5', 'id6']

/** @type {Omit<Query, 'kind'>[]} */
const questions = [
  {
    name: 'q1',
    columns: ['id1', 'v1'],
    sums: ['v1'],
    sql: (source) => `SELECT id1, sum(v1) AS v1 FROM ${source} GROUP BY id1`,
    build: (frame, { col }) => frame.groupBy('id1').agg(col('v1').sum()),
  },
  {
    name: 'q2',
    columns: ['id1', 'id2', 'v1'],
    sums: ['v1'],
    sql: (source) => `SELECT id1, id2, sum(v1) AS v1 FROM ${source} GROUP BY id1, id2`,
    build: (frame, { col }) => frame.groupBy(['id1', 'id2']).agg(col('v1').sum()),
  },
  {
    name: 'q3',
    columns: ['id3', 'v1', 'v3'],
    sums: ['v1', 'v3'],
    sql: (source) => `SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM ${source} GROUP BY id3`,
    build: (frame, { col }) => frame.groupBy('id3').agg(col('v1').sum(), col('v3').mean()),
  },
  {
    name: 'q4',
    columns: ['id4', 'v1', 'v2', 'v3'],
    sums: ['v1', 'v2', 'v3'],
    sql: (source) => `SELECT id4, avg(v1) AS v1, avg(v2) AS v2, avg(v3) AS v3 FROM ${source} GROUP BY id4`,
    build: (frame, { col }) => frame.groupBy('id4').agg(col('v1').mean(), col('v2').mean(), col('v3').mean()),
  },
  {
    name: 'q5',
    columns: ['id6', 'v1', 'v2', 'v3'],
    sums: ['v1', 'v2', 'v3'],
    sql: (source) => `SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM ${source} GROUP BY id6`,
    build: (frame, { col }) => frame.groupBy('id6').agg(col('v1').sum(), col('v2').sum(), col('v3').sum()),
  },
  {
    name: 'q10',
    columns: [...ID_COLUMNS, 'v1', 'v3'],
    sums: ['v3', 'count'],
    sql: (source) =>
      `SELECT ${ID_COLUMNS.join(', ')}, sum(v3) AS v3, count(v1) AS count FROM ${source}
       GROUP BY ${ID_COLUMNS.join(', ')}`,
    build: (frame, { col }) => frame.groupBy(ID_COLUMNS).agg(col('v3').sum(), col('v1').count().alias('count')),
  },
  {
    name: 'filter',
    columns: ['id4', 'v2', 'v3'],
    sums: ['v3'],
    sql: (source) => `SELECT sum(v3) AS v3 FROM ${source} WHERE v2 < 5 AND id4 > 50`,
    build: (frame, { col, lit }) =>
      frame
        .filter(
          col('v2')
            .lt(lit(5))
            .and(col('id4').gt(lit(50))),
        )
        .select(col('v3').sum()),
  },
  {
    name: 'rows',
    columns: [...ID_COLUMNS, 'v1', 'v2', 'v3'],
    sums: ['v1', 'v3'],
    sql: (source) => `SELECT * FROM ${source} WHERE v1 = 3 AND v2 = 7`,
    build: (frame, { col, lit }) =>
      frame.filter(
        col('v1')
          .eq(lit(3))
          .and(col('v2').eq(lit(7))),
      ),
  },
  {
    name: 'scan',
    columns: [...ID_COLUMNS, 'v1', 'v2', 'v3'],
    sums: ['id4', 'id5', 'id6', 'v1', 'v2', 'v3'],
    sql: (source) =>
      `SELECT max(id1) AS id1, max(id2) AS id2, max(id3) AS id3, max(id6) AS id6, sum(id4) AS id4, sum(id5) AS id5,
       sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM ${source}`,
    build: (frame, { col }) =>
      frame.select(
        ...['id1', 'id2', 'id3', 'id6'].map((name) => col(name).max()),
        ...['id4', 'id5', 'v1', 'v2', 'v3'].map((name) => col(name).sum()),
      ),
  },
]

/** All queries by name: `q1`, `q1-memory`, `q10-sink` … @type {ReadonlyMap<string, Query>} */
export const queries = new Map(
  [
    ...questions.map((question) => ({ ...question, kind: 'file' })),
    ...questions.map((question) => ({ ...question, name: `${question.name}-memory`, kind: 'memory' })),
    ...questions
      .filter(({ name }) => name === 'q10' || name === 'q3')
      .map((question) => ({ ...question, name: `${question.name}-sink`, kind: 'sink' })),
  ].map((query) => [query.name, query]),
)

/** Totals of numeric columns of an Arrow table, in the order of `names`; outside of the timed part only. */
export function arrowTotals(table, names) {
  return names.map((name) => {
    const vector = table.getChild(name)
    let total = 0
    for (let index = 0; index < vector.length; index++) total += Number(vector.get(index) ?? 0)
    return total
  })
}
