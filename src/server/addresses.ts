import ipaddr from "ipaddr.js";

/** The n-th address of an IPv4 range: addressAt("10.43.0.0/16", 1) is "10.43.0.1". */
export function addressAt(cidr: string, n: number): string {
  const [network] = ipaddr.IPv4.parseCIDR(cidr);
  const value = network.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0) + n;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** Whether the address lies in the range. */
export function contains(cidr: string, address: string): boolean {
  return ipaddr.IPv4.isValid(address) && ipaddr.IPv4.parse(address).match(ipaddr.IPv4.parseCIDR(cidr));
}
