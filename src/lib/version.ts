/** hue's own version. */
export const version = "0.1.0";

/** The version of Kubernetes that hue speaks, as the API reports it. */
export const kubernetesVersion = { major: "1", minor: "36", gitVersion: "v1.36.3+hue1" };
