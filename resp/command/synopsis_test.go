package command

import "testing"

func TestSynopsis(t *testing.T) {
	for name, want := range map[string]string{
		"ping":           "PING [message]",
		"get":            "GET key",
		"hset":           "HSET key field value [field value ...]",
		"xgroup|destroy": "XGROUP DESTROY key groupname",
		"xgroup|create":  "XGROUP CREATE key groupname <id | $> [MKSTREAM] [ENTRIESREAD entries_read]",
		"xtrim":          "XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
		"xpending":       "XPENDING key group [[IDLE min-idle-time] start end count [consumer]]",
		"sort_ro":        "SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
		"zinterstore":    "ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
		"command|list":   "COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
		"migrate": `MIGRATE host port <key | ""> destination-db timeout [COPY] [REPLACE] ` +
			`[[AUTH password] | [AUTH2 username password]] [KEYS key [key ...]]`,
	} {
		if got := Find(name).Synopsis(); got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}
