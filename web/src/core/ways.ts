/** What the way back from a provider of sign-ins says in the address. */
export const WAYS_BACK: Record<string, string> = {
  'oidc-state': 'This sign-in was begun in another browser, used already, or too long ago. Begin again.',
  'oidc-denied': 'The provider did not let you in.',
  'oidc-unavailable': 'The provider does not answer as it should. Try again in a minute, or sign in another way.',
  'token-invalid': 'The provider’s answer could not be believed. Begin again; if it happens again, tell the operator.',
  'oidc-not-asked': 'The provider let you through without asking who you are. Sign out there first, or ask the staff.',
  'provider-unknown': 'There is no such way of signing in.',
  'credentials-wrong': 'This account is switched off. Ask the staff.',
  forbidden: 'This account was removed by an administrator.',
};
