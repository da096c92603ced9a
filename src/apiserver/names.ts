// The names that options of the command line may have, apart from the server, which takes long to load.
export { pluginNames, unknownPlugin } from './admission/plugins.ts'
export { ownAuthorizers } from './authz/chosen.ts'
