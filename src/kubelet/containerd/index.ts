// A node's own containerd: its configuration, its life as a process, and taking everything down.
export { containerdConfig, containerdPaths } from './config.ts'
export { ensureContainerd, keepContainerd } from './daemon.ts'
export { stopEverything } from './teardown.ts'
