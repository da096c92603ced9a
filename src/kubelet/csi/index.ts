// Volumes of drivers, by the Container Storage Interface: which drivers are on the node (handler.ts, drivers.ts,
// node-info.ts), and what they do for pods (volumes.ts, block.ts, places.ts).
export { makeCsi } from './start.ts'
export type { CsiVolumes } from './volumes.ts'
