// The API server, the only room that uses the store. Requests arrive as operations (serve.ts), from the HTTPS server
// (http/) or from clients in the same process. They pass authorization (authz/), admission (admission/) and the
// registry (registry.ts), and objects are stored and watched by storage.ts. stream/ connects exec, attach, logs and
// port-forward to the kubelets. bootstrap/ creates what every cluster begins with.
export { bootstrap, apiServiceAddress, keepEssentials } from './bootstrap/index.ts'
export { Availability } from './aggregation/availability.ts'
export { RemoteDocuments, type RemoteVersion } from './aggregation/documents.ts'
export { ExtensionProxy } from './aggregation/proxy.ts'
export { type FrontProxy, frontProxyName } from './aggregation/target.ts'
export { Registration } from './aggregation/register.ts'
export { discovery } from './http/discovery.ts'
export { openapi } from './openapi/index.ts'
export { health } from './http/health.ts'
export type { PathHandler } from './http/call.ts'
export { Frontend } from './http/frontend.ts'
export { startHttp } from './http/server.ts'
export { canonical } from './body.ts'
export { filterOf, passes } from './lists.ts'
export type { Handler, ServerCore } from './core.ts'
export { pluginNames, unknownPlugin } from './admission/plugins.ts'
export { openServer } from './open.ts'
export { kubeletText } from './stream/kubelet.ts'
export { streams } from './stream/index.ts'
export { tokenIssuer } from './issuer.ts'
