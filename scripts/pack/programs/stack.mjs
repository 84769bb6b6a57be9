// What a stack says of our code with --enable-source-maps: the place in the repository's sources.
import { LazyFrame } from 'spillway'

try {
  LazyFrame({ a: [1] }).select('b')
} catch (error) {
  console.log(/packages\/plan\/src\/[\w/-]+\.ts:\d+/.test(error.stack) ? 'mapped' : error.stack)
}
