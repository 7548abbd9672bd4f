/** What an IngressClass names as its controller when hue's own is to serve it. */
export const ingressControllerName = "hue.dev/ingress-controller";
