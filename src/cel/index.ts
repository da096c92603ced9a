// The engine of the Common Expression Language (CEL).
export { compileWith } from './compilation.ts'
