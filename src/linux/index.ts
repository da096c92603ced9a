// The room that talks to the Linux kernel: programs, nftables, interfaces and routes, mounts, cgroups.
// Each part is an interface with one real form here, so that a simulation can put another in its place.
// This room knows no pods: what to mount or limit is decided elsewhere.
export { type Cgroups, type CgroupLimits, cpuWeightOf, findCgroups } from './cgroup.ts'
export { run } from './exec.ts'
export { type Link, makeIp, type Route } from './ip.ts'
export { type Beneath, openBeneath } from './beneath.ts'
export { parseMountinfo, realMounts } from './mount.ts'
export { makeNft } from './nft.ts'
export { setKernel } from './sysctl.ts'
