// Dynamic resource allocation on a node: which drivers are there (drivers.ts), what they prepare for the claims of pods
// (manager.ts), and which of it a container gets (pod-claims.ts). start.ts puts them together.
export { makeDra, type NodeDra } from './start.ts'
