/**
 * The header field by which a server of HTTP/1.1 says that no handler has seen the request that this response belongs
 * to, as HTTP/2 says it by GOAWAY and ttrpc by GoAway. Handlers can't set it.
 */
export const refusedHeader = "Plugboard-Refused";
