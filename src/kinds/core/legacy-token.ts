// The names around service account tokens without end, which Secrets keep: who makes, checks, watches over and removes
// them must agree. Source: pkg/serviceaccount/legacy.go, pkg/controlplane/controller/legacytokentracking, KEP-2799.

/** The issuer that such tokens name. */
export const legacyIssuer = 'kubernetes/serviceaccount'

/** On a Secret: the day its token was last used. */
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used'
/** On a Secret whose token is no longer good because it went unused for too long. */
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since'
/** The ConfigMap in kube-system that says since when uses are noted. */
export const trackingMap = 'kube-apiserver-legacy-service-account-token-tracking'

/** The day, as labels hold it. */
export const dayText = (now: number): string => new Date(now).toISOString().slice(0, 10)
