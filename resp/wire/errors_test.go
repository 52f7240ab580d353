package wire

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The rules of the files: a text begins with a code in capitals, is one line, stands once, and its doc begins with its name.
func TestErrorTextsFollowTheRules(t *testing.T) {
	forms := map[string]*regexp.Regexp{
		"Error":  regexp.MustCompile(`^[A-Z]+ [^\r\n]*[^\r\n ]$`),
		"Reason": regexp.MustCompile(`^[^\r\n ][^\r\n]*[^\r\n ]$`), // which stands behind a code
	}
	names, err := filepath.Glob("errors*.go")
	if err != nil {
		t.Fatal(err)
	}
	var decls []ast.Decl
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, file.Decls...)
	}
	seen := map[string]string{}
	for _, d := range decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.ValueSpec)
			name, text := spec.Names[0].Name, literal(t, spec.Values[0])
			if form := forms[spec.Type.(*ast.Ident).Name]; !form.MatchString(text) {
				t.Errorf("%s: %q is not a code and one line", name, text)
			}
			if other, twice := seen[text]; twice {
				t.Errorf("%s repeats the text of %s", name, other)
			}
			seen[text] = name
			if !strings.HasPrefix(spec.Doc.Text(), name+": ") {
				t.Errorf("%s: its doc must begin with %q", name, name+": ")
			}
		}
	}
	if len(seen) < 100 {
		t.Errorf("only %d constants found", len(seen))
	}
}

// literal is the value of a string constant written as literals joined by +.
func literal(t *testing.T, e ast.Expr) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	case *ast.BinaryExpr:
		return literal(t, e.X) + literal(t, e.Y)
	}
	t.Fatalf("constant is no string literal: %T", e)
	return ""
}

// Recorded from redis-server 7.0.15, but for MISCONF, which needs a full disk.
func TestErrorsWithArguments(t *testing.T) {
	b := func(s ...string) (out [][]byte) {
		for _, s := range s {
			out = append(out, []byte(s))
		}
		return out
	}
	for _, c := range []struct {
		got  Error
		want string
	}{
		{WrongArity("client|kill"), "ERR wrong number of arguments for 'client|kill' command"},
		{UnknownCommand(b("nosuch")), "ERR unknown command 'nosuch', with args beginning with: "},
		{UnknownCommand(b("nosuch", "a", "b", "c")), "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' 'c' "},
		{UnknownCommand(b("nosuch", "a\x00b", "c")), "ERR unknown command 'nosuch', with args beginning with: 'a' 'c' "},
		{UnknownCommand(b("nosuch", strings.Repeat("a", 100), strings.Repeat("b", 100), "cc", "dd")),
			"ERR unknown command 'nosuch', with args beginning with: '" + strings.Repeat("a", 100) + "' '" + strings.Repeat("b", 25) + "' "},
		{UnknownCommand(b(strings.Repeat("n", 200), strings.Repeat("a", 130), "c")),
			"ERR unknown command '" + strings.Repeat("n", 128) + "', with args beginning with: '" + strings.Repeat("a", 128) + "' "},
		{UnknownSubcommand([]byte("client"), []byte("nosuch")), "ERR unknown subcommand 'nosuch'. Try CLIENT HELP."},
		{BadSubcommand([]byte("pubsub"), []byte("channels")), "ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP."},
		{OutsideRange(math.MinInt32, math.MaxInt32), "ERR value is out of range, value must between -2147483648 and 2147483647"},
		{InvalidExpire("setex"), "ERR invalid expire time in 'setex' command"},
		{UnsupportedOption([]byte("yy")), "ERR Unsupported option yy"},
		{NoInputKey("zunion"), "ERR at least 1 input key is needed for 'zunion' command"},
		{NoGroup([]byte("k"), []byte("g")), "NOGROUP No such key 'k' or consumer group 'g'"},
		{NoGroupRead([]byte("k"), []byte("g")), "NOGROUP No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option"},
		{NoGroupForKey([]byte("g"), []byte("k")), "NOGROUP No such consumer group 'g' for key name 'k'"},
		{UnknownXClaimOption([]byte("X")), "ERR Unrecognized XCLAIM option 'X'"},
		{ExecAbort(ErrReadOnly), "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica."},
		{HelloOption([]byte("x")), "ERR Syntax error in HELLO option 'x'"},
		{UnknownClientType([]byte("x")), "ERR Unknown client type 'x'"},
		{NoSuchUser([]byte("u")), "ERR No such user 'u'"},
		{SubscribedOnly("get"), "ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"},
		{Misconf(errors.New("No space left on device")), "MISCONF Errors writing to the AOF file: No space left on device"},
		{Unkept(errors.New("No space left on device")), "MISCONF Errors writing to the AOF file: No space left on device; " +
			"what this command did can be seen, and is lost if the server ends before it can write it"},
	} {
		if string(c.got) != c.want {
			t.Errorf("got  %q\nwant %q", c.got, c.want)
		}
	}
}
