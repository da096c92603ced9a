// The Container Device Interface: programs describe devices in files (spec.ts, files.ts), and a container that gets one is
// changed as the file says (apply.ts).
export { CdiFailure, type CdiParts, cdiParts } from './apply.ts'
