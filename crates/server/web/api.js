// Calls of the API, with the token that the user gave. It is kept for as long as this tab is open.
const PLACE = 'rillcast-token';

/** The server wants a token, or another one; its words are the message. */
export class TokenNeeded extends Error {}

export const setToken = (token) => sessionStorage.setItem(PLACE, token);

/** What `path` answers, as JSON. */
export async function call(path) {
  const token = sessionStorage.getItem(PLACE);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { cache: 'no-store', headers });
  if (answer.ok) return answer.json();
  const why = (await answer.text()).trim() || `answer ${answer.status}`;
  if (answer.status === 401) throw new TokenNeeded(token ? why : '');
  throw new Error(why);
}
