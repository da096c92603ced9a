// The namespace in which containerd's CRI plugin keeps everything. It cannot be configured.
export const criNamespace = 'k8s.io'
