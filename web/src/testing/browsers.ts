// What makes browsers under test connect their pages to each other on any machine.

/** Launch arguments with which headless Chromium connects pages to each other on any CI machine, in network namespaces that have
 *  nothing but loopback too. There a page must also be allowed camera and microphone, or it gathers no candidates. */
export const chromiumArgs: readonly string[] = [
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-sandbox",
];

/** The same for Firefox, as preferences of its profile. */
export const firefoxPrefs: Readonly<Record<string, boolean>> = {
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.peerconnection.ice.loopback": true,
};
