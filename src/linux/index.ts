// The room that uses the Linux kernel: programs, nftables, links and routes, mounts, cgroups. Each part is an interface
// with one implementation here, so that a test can pass another. Nothing here refers to pods: what to mount or to limit
// is decided in other rooms.
export { type Cgroups, type CgroupLimits, cpuWeightOf, findCgroups } from './cgroup.ts'
export { run } from './exec.ts'
export { hasLink, type Link, makeIp, type Route } from './ip.ts'
export { type Beneath, openBeneath } from './beneath.ts'
export { parseMountinfo, realMounts } from './mount.ts'
export { deleteTableText, makeNft } from './nft.ts'
export { listenersOn, portFree, portShared, udpPorts } from './port.ts'
export { commandLines, isRunning, sendSignal } from './process.ts'
export { readKernel, setKernel } from './sysctl.ts'
