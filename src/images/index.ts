// Images without a registry: built from Debian packages (build.ts), read from docker and OCI archives (archive.ts), and
// loaded into a node's containerd (load.ts), where they are pinned so that image garbage collection keeps them.
//
//   description ─► packages, files ─► tree ─► layer ─► archive ─► checked ─► containerd ─► pinned
//
// - An image has one layer and one platform, that of this machine. The same input gives the same bytes.
// - Nothing of an archive is loaded before all of it has been read and its digests verified.
// - The names under which images are loaded are always full ones, since containerd and the kubelet look them up so.
// - What was loaded stays loaded when a later step fails; loading again is harmless. Files are written under another
//   name and renamed, so none is ever half written.
// - Limits: 100,000 files in an archive, JSON files of 4 MiB, 500 packages, 10 minutes for each call of ctr. A layer is
//   built in memory, so an image of packages must fit there.
// - An aborted signal ends the program that runs at the time; temporary files are removed.
export { eachEntry } from './archive.ts'
export { buildDescription, buildImage } from './build.ts'
export { parseDescription } from './description.ts'
export { copyImages, listImages, loadArchive, pinsFileFor, readPins, removeImage } from './load.ts'
export { normalizeName } from './names.ts'
export { buildPause, pauseImage } from './pause.ts'
