// Package dialog reads, records and replays conversations of named clients
// with a server that speaks Redis' protocol. A dialog is recorded once from a
// real redis-server and replayed against any server that claims to answer like
// it, in RESP2 and in RESP3.
//
// It must never know which server it talks to, nor import anything of the
// servers under test: it has a client, a parser of replies and a matcher of
// its own, so a mistake in them cannot hide itself.
//
// Invariant: the text of an answer is lossless. Two replies have the same text
// only if they had the same bytes, apart from what a #mask or #sorted
// directive excuses; so comparing texts is comparing bytes.
//
// # The file
//
// A dialog is a text file in the txtar format. Its writer gives the commands,
// [File.Record] fills in the answers:
//
//	# What HGETALL tells about a hash, and about none.
//
//	a> HSET h f 1
//	(integer) 1
//	a> HGETALL h
//	1) "f"
//	2) "1"
//
// Where both protocols answer alike the whole dialog stands before the first
// section. Where they differ, only its title (the leading comment) does, the
// commands and their RESP2 answers are in the section "-- resp2 --", which is
// the one to edit, and "-- resp3 --" is written by [File.Record] from it.
//
// # Lines that do something
//
//	a> GET k            client a says this and gets the answer below; words are
//	                    quoted as for redis-cli; an unquoted $name stands for
//	                    what #save name kept
//	a>+ GET k           the same, but sent in one write with a's next line
//	a> BLPOP q 0 &      a parks: the server is seen to block it before the dialog
//	                    goes on, and its answer comes at a later "a<"
//	a>> "PI" "NG\r\n"   a sends these bytes as they are ("x"*1000 repeats); every
//	                    reply to them needs an "a<"
//	a<                  the next thing the server sends to a
//	#close a            a hangs up, and the server has noticed
//
// A client connects when it first appears, and speaks the dialog's protocol.
// A dialog starts with FLUSHALL. It ends with no client parked and with
// nothing unread. That a client is blocked is seen in blocked_clients of INFO
// clients, so a server under test must tell that.
//
// # Lines that say how to look at the answer
//
// Any number of these, directly above the line they are for:
//
//	#sorted             Redis leaves the order open: elements are sorted
//	#sorted pairs       the same for a flat list of names and values
//	#sorted 2           the same for the second element of the answer
//	#mask int           the answer depends on clock or chance: it shows as <int>
//	#mask id 1.1 2.*    the same for the elements at these places (1 is the first)
//	#mask int idle:     the same for what follows the name "idle" at any depth
//	#mask int /fd=(\d+)/  the same for this part of a text
//	#silent             no answer comes
//	#save id            the answer's text is kept as $id
//
// What a mask hides must still have its form: <int> is a decimal number of at
// least 0, <id> a stream id, <float> a decimal number, <any> anything but null;
// and its type is always shown. A mask that finds nothing to hide fails.
//
// Lines that begin with "# " are comments.
//
// # Answers
//
//	OK                        simple string of letters; else (status) "..."
//	"a\x00b"                  bulk string
//	(integer) 1               integer
//	(double) 1.5              double; (true), (false); (big number) 1
//	(verbatim txt) "..."      verbatim string
//	(error) ERR syntax error  error; (blob error) "..."
//	(nil)                     RESP2's null bulk string
//	(null array)              RESP2's null array
//	(null)                    RESP3's null
//	1) "a"                    array, or (empty array); elements of elements are
//	2) 1) "b"                 indented as in redis-cli
//	1~ "a"                    set, or (empty set)
//	1# "k" => "v"             map, or (empty map)
//	1> "message"              push, or (empty push)
//	(bulk) <int>              hidden by a mask; (masked bulk) "id=<int>" in part
//	(closed)                  the server closed the connection
package dialog
