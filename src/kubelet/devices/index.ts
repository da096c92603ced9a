// Devices of nodes, by the interface of device plugins: which there are (stock.ts), which container gets which (plan.ts),
// and what it has with them (answer.ts). The manager has the plugins and what is given out; start.ts has the sockets.
export type { Answer } from './answer.ts'
export { deviceHandler } from './handler.ts'
export type { DeviceManager } from './manager.ts'
export { makeDevices } from './start.ts'
