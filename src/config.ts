/** The whole configuration, validated and frozen. `loadConfig` is the only reader of the environment. */
export interface Config {
  /** Which environment file was read. */
  readonly runEnv: string;
  readonly dataDir: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly opsHost: string;
  readonly opsPort: number;
  readonly migrate: 'auto' | 'off';
  readonly roles: readonly ('http' | 'worker')[];
  readonly logLevel: string;
  /** Requests a minute for one client; undefined is no limit. */
  readonly rateLimit: number | undefined;
  readonly trustedProxies: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly token: { readonly issuer: string; readonly audience: string };
  /** The first admin; undefined makes one on the embedded database. */
  readonly admin: { readonly email: string; readonly password: string } | undefined;
  /** No SMTP URL: messages go to `<dataDir>/mail` as .eml files. */
  readonly mail: { readonly smtpUrl: string | undefined; readonly from: string };
  /** Checks the provider's webhooks; undefined takes one made for this installation. */
  readonly paymentWebhookSecret: string | undefined;
}
