// The API server: the only room that touches the store. Requests come in as operations (serve.ts), from the HTTPS
// server (http/) or from clients in the same process; they pass authorization (authz/), admission (admission/) and the
// registry (registry.ts), and are kept and watched through storage.ts. stream/ carries exec, attach, logs and
// port-forward through to the kubelets; bootstrap/ makes what every cluster starts with.
export { bootstrap, apiServiceAddress, keepEssentials } from './bootstrap/index.ts'
export { discovery } from './http/discovery.ts'
export { openapi } from './openapi/index.ts'
export { health } from './http/health.ts'
export type { PathHandler } from './http/call.ts'
export { Frontend } from './http/frontend.ts'
export { startHttp } from './http/server.ts'
export { canonical } from './body.ts'
export { filterOf, passes } from './lists.ts'
export type { Handler, ServerCore } from './core.ts'
export { openServer } from './open.ts'
export { kubeletText } from './stream/kubelet.ts'
export { streams } from './stream/index.ts'
export { tokenIssuer } from './issuer.ts'
