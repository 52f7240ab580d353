package keyspace

import (
	"os"
	"strings"
	"testing"
)

func TestFamiliesAreCompleteAndDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(doc)), " ")
	all := Families()
	if len(all) != int(BusMetrics) {
		t.Fatalf("%d families, want %d", len(all), BusMetrics)
	}
	names := map[string]bool{}
	for _, facts := range all {
		if facts.Type == Any || facts.Holds == "" || facts.Doc == "" || names[facts.Name] {
			t.Errorf("incomplete or twice: %+v", facts)
		}
		names[facts.Name] = true
		if facts.Family.String() != facts.Name {
			t.Errorf("Family %d is %q, its facts are those of %q", facts.Family, facts.Family, facts.Name)
		}
		if facts.Family.Bus() == strings.HasPrefix(facts.Pattern, "{prefix}:") {
			t.Errorf("%s: Bus() = %v", facts.Pattern, facts.Family.Bus())
		}
		if row := facts.Pattern + " " + facts.Type.String() + " "; !strings.Contains(page, " "+row) {
			t.Errorf("the package documentation lacks the row %q", row)
		}
	}
}

func TestFamiliesReturnsACopy(t *testing.T) {
	Families()[0].Name = "changed"
	if got := Families()[0].Name; got != "agent" {
		t.Errorf("the table was changed through the result: %q", got)
	}
}

func TestTypesHaveTheNamesOfRedis(t *testing.T) {
	for typ, want := range map[Type]string{
		Any: "any", String: "string", List: "list", Set: "set", ZSet: "zset", Hash: "hash", Stream: "stream",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type %d is %q, want %q", typ, got, want)
		}
	}
}
