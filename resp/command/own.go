package command

// own are the commands of omniproxy that Redis does not have. [All], and so COMMAND, does not list them: a client that asks
// what there is learns what Redis has.
func own() []*Spec {
	return []*Spec{
		{FullName: "omniproxy", Arity: -2, Doc: "What omniproxy tells of itself."},
		{FullName: "omniproxy|help", Arity: 2, Flags: Loading | Stale, Categories: CatAdmin | CatSlow | CatDangerous, Doc: "Lists the subcommands of OMNIPROXY."},
		{FullName: "omniproxy|violations", Arity: 2, Flags: Admin | NoScript | Loading | Stale, Categories: CatAdmin | CatSlow | CatDangerous, Doc: "Writes that broke a rule of OmniDaemon's key layout."},
	}
}
