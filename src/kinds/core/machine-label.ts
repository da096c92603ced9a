// The label of nodes that stand on one machine and share a directory on it. Its value is made up by the machine and stays
// as long as the directory.
export const machineLabel = 'kutter.local/machine'
