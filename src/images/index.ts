// Images without a registry: built from Debian packages, read from any docker or OCI archive, and loaded into a node's
// containerd, where they are pinned.
export { eachEntry } from './archive.ts'
export { buildDescription, buildImage } from './build.ts'
export { parseDescription } from './description.ts'
export { copyImages, listImages, loadArchive, pinsFileFor, readPins, removeImage } from './load.ts'
export { normalizeName } from './names.ts'
export { buildPause, pauseImage } from './pause.ts'
