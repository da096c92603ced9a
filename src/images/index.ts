// Images without a registry: built from Debian packages, read from any docker or OCI archive, and loaded into a node's
// containerd, where they are pinned.
export { type Archive, type ArchiveImage, eachEntry, readArchive } from './archive.ts'
export { buildDescription, buildImage, type BuildOptions, type Built } from './build.ts'
export { type Description, parseDescription, readDescription } from './description.ts'
export {
  copyImages,
  type ImageStore,
  type Listed,
  type Loaded,
  listImages,
  loadArchive,
  pinsFileFor,
  readPins,
  removeImage,
} from './load.ts'
export { normalizeName } from './names.ts'
export { buildPause, pauseImage } from './pause.ts'
