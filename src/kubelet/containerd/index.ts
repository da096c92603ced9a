// A node's own containerd: its configuration, its process, and the removal of everything that it left.
export { containerdConfig, containerdPaths } from './config.ts'
export { ensureContainerd, keepContainerd } from './daemon.ts'
export { stopEverything } from './teardown.ts'
