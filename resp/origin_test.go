package resp

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestWrongPasswordsLetTheAddressWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o origins
		guilty, other := netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3")
		for range wrongForgiven {
			if o.guessed(guilty) {
				t.Error("a mistake was not forgiven")
			}
		}
		if !o.guessed(guilty) || o.pause(guilty) == 0 {
			t.Error("a guess too many was forgiven")
		}
		for range 1000 {
			o.guessed(guilty)
		}
		if got := o.pause(guilty); got != longestPause {
			t.Errorf("the pause is %v", got)
		}
		if o.pause(other) != 0 {
			t.Error("another address has to wait")
		}
		time.Sleep(10 * time.Minute)
		if o.pause(guilty) != 0 {
			t.Error("it is never forgotten")
		}
	})
}

func TestOriginsAreForgottenBeforeTheyAreTooMany(t *testing.T) {
	var o origins
	for i := range 3 * mostOrigins {
		o.guessed(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(o.known) > mostOrigins {
		t.Errorf("%d are known", len(o.known))
	}
}

func TestTheNetworkOfAnIPv6AddressIsTheOrigin(t *testing.T) {
	for addr, want := range map[string]string{
		"[2001:db8::1]:1": "2001:db8::", "[2001:db8:0:0:1::2]:1": "2001:db8::", "[::ffff:10.0.0.1]:1": "10.0.0.1", "10.0.0.1:7": "10.0.0.1",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := originOf(tcp).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if originOf(&net.UnixAddr{Name: "/a", Net: "unix"}).IsValid() {
		t.Error("a unix socket has an address")
	}
}

// elsewhere is a listener whose clients come from another machine.
type elsewhere struct{ net.Listener }

type elsewhereConn struct{ net.Conn }

func (l elsewhere) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return elsewhereConn{nc}, err
}

func (elsewhereConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7} }

func TestWhoGuessesPasswordsIsEndedAndOthersAreNot(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	v.SetPassword("secret")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dial := serveAt(t, v, NewFront(&Listener{}), elsewhere{l})
	known := dial().logIn()
	guesser := dial()
	const wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
	for range wrongForgiven + 1 {
		guesser.send(requests("AUTH nope"))
		guesser.expect(wrong)
	}
	guesser.expectEnd()
	known.send(requests("GET a"))
	known.expect("$1\r\na\r\n")
	dial().logIn() // after a pause
	if v.origins.pause(originOf(elsewhereConn{}.RemoteAddr())) == 0 {
		t.Error("there is no pause")
	}
}

func TestNobodyWaitsForWrongPasswordsFromThisMachine(t *testing.T) {
	v, dial, _ := strangers(t, Limits{}, &Listener{})
	guesser := dial()
	for range 3 * wrongForgiven {
		guesser.send(requests("AUTH nope"))
		guesser.expect("-WRONGPASS invalid username-password pair or user is disabled.\r\n")
	}
	guesser.logIn()
	if len(v.origins.known) > 0 {
		t.Error("they are remembered")
	}
}

func TestTooManyConnectionsFromOneAddressAreClosed(t *testing.T) {
	v := &Server{Backend: newStub(t)}
	dial := serveFront(t, v, NewFront(&Listener{Arrivals: 0.001}), "tcp", "127.0.0.1:0")
	first := dial()
	first.send(requests("GET a"))
	first.expect("$1\r\na\r\n")
	dial().expectEnd()
	first.send(requests("GET a"))
	first.expect("$1\r\na\r\n")
}
