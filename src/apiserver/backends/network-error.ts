/** An error of a connection in the words that users of Kubernetes know from Go. */
export function networkError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError" || error.name === "TimeoutError") return "context deadline exceeded";
  const facts: Error & {
    code?: string;
    address?: string;
    port?: number;
    hostname?: string;
    cert?: { subjectaltname?: string };
    host?: string;
  } = {
    ...error,
  };
  const dial = `dial tcp ${facts.address?.includes(":") ? `[${facts.address}]` : facts.address}:${facts.port}`;
  switch (facts.code) {
    case "ECONNREFUSED":
      return `${dial}: connect: connection refused`;
    case "EHOSTUNREACH":
      return `${dial}: connect: no route to host`;
    case "ETIMEDOUT":
      return `${dial}: i/o timeout`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `dial tcp: lookup ${facts.hostname}: no such host`;
    case "ECONNRESET":
      return "EOF";
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `tls: failed to verify certificate: x509: certificate has expired or is not yet valid: ${error.message}`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `tls: failed to verify certificate: x509: certificate is valid for ${names(facts.cert)}, not ${facts.host}`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "CERT_SIGNATURE_FAILURE":
      return "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    case "EPROTO":
      return error.message.includes("wrong version number") ? "http: server gave HTTP response to HTTPS client" : `tls: ${error.message}`;
    default:
      return error.message;
  }
}

function names(certificate: { subjectaltname?: string } | undefined): string {
  return (certificate?.subjectaltname ?? "").replace(/(DNS|IP Address):/g, "");
}
