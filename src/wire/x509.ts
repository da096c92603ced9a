// Certificates, read and issued. What issues them needs a library that takes a tenth of a second to load, so that waits
// until something is issued.
import type * as Issuing from './issuing.ts'

export {
  type Authority,
  isCurrent,
  isIssuedBy,
  isPair,
  type KeyPair,
  publicKeyHash,
  readCertificate,
  renewAt,
  type RequestInfo,
  splitBundle,
  type Subject,
  traditionalKey,
  useOf,
} from './certificate.ts'
export type Usage = Issuing.Usage

const issuing = () => import('./issuing.ts')

/** Creates a self-signed authority. */
export const makeAuthority: typeof Issuing.makeAuthority = async of => (await issuing()).makeAuthority(of)

/**
 * The certificate of `next` as the authority before it signs it. Who trusts that one alone accepts with it what `next`
 * issues.
 */
export const crossSign: typeof Issuing.crossSign = async (...of) => (await issuing()).crossSign(...of)

/** Creates a key, and issues a certificate for it that does not outlive the authority's. */
export const issue: typeof Issuing.issue = async (...of) => (await issuing()).issue(...of)

/** Creates a key, and a request for a certificate for it. */
export const makeRequest: typeof Issuing.makeRequest = async subject => (await issuing()).makeRequest(subject)

/** Reads a request. Throws BadRequest when it is damaged, or not signed by its own key. */
export const readRequest: typeof Issuing.readRequest = async pem => (await issuing()).readRequest(pem)

/** Issues the certificate that a request asks for. The caller has checked that it may be issued. */
export const signRequest: typeof Issuing.signRequest = async (...of) => (await issuing()).signRequest(...of)
