// The pages of the API server for those who look for a fault. As for all paths that are not resources, a rule with
// nonResourceURLs must allow them, which administrators have.
import { type DebugPages, debugPage } from '../../base/debug-pages.ts'
import { methodNotAllowed } from '../errors.ts'
import { type PathHandler, send } from './call.ts'

export function debugPages(pages: DebugPages): PathHandler {
  return async ({ request, response, url, signal }) => {
    if (!/^\/(flagz|statusz|debug\/pprof)(\/|$)/.test(url.pathname)) return false
    if (request.method !== 'GET') throw methodNotAllowed()
    const { pathname: path, searchParams: query } = url
    const page = await debugPage(pages, { path, query, accept: request.headers.accept, signal })
    if (!page) return false
    send(response, 200, page.type, Buffer.from(page.body))
    return true
  }
}
