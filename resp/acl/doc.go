// Package acl is Redis 7.0's access control: users, the rules that say what each may do, and the judgement of a command
// by them. Rules are read and shown in Redis' syntax (https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
//
// The package must never know sockets or files: where users are kept is behind [File].
//
// Its invariant: [Rights] never change. A change of a user puts new ones in their place at once, so whoever judges by them
// needs no lock, and a change that fails has changed nothing.
package acl
