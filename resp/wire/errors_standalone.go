package wire

// What a server says that stands alone: without replicas, cluster and modules.
const (
	// ErrNoCluster: a command for a node of a cluster.
	ErrNoCluster Error = "ERR This instance has cluster support disabled"
	// ErrMasterPort: REPLICAOF of something that is no port.
	ErrMasterPort Error = "ERR Invalid master port"
	// ErrNoFailover: FAILOVER ABORT.
	ErrNoFailover Error = "ERR No failover in progress."
	// ErrFailoverTimeout: FAILOVER with a timeout that is not positive.
	ErrFailoverTimeout Error = "ERR FAILOVER timeout must be greater than 0"
	// ErrFailoverReplicas: FAILOVER, for there are no replicas.
	ErrFailoverReplicas Error = "ERR FAILOVER requires connected replicas."
	// ErrNoShutdown: SHUTDOWN ABORT.
	ErrNoShutdown Error = "ERR No shutdown in progress."
	// ErrShutdown: SHUTDOWN of a server that cannot.
	ErrShutdown Error = "ERR Errors trying to SHUTDOWN. Check logs."
)

// ActionNotAllowed answers a command that the parameter named does not let this client use.
func ActionNotAllowed(name, parameter string) Error {
	return Errorf("ERR %s command not allowed. If the %s option is set to \"local\", you can run it from a local connection, "+
		"otherwise you need to set this option in the configuration file, and then restart the server.", name, parameter)
}

// DEBUG.
const (
	// ErrPackedThreshold: DEBUG QUICKLIST-PACKED-THRESHOLD of something else than some bytes.
	ErrPackedThreshold Error = "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
	// ErrResp3Only: DEBUG PROTOCOL PUSH to a client that speaks RESP2.
	ErrResp3Only Error = "ERR RESP2 is not supported by this command"
	// ErrReloadOption: an option that DEBUG RELOAD does not have.
	ErrReloadOption Error = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
	// ErrReloadNoSave: omniproxy's own, for DEBUG RELOAD NOSAVE loads a file that there is not.
	ErrReloadNoSave Error = "ERR DEBUG RELOAD NOSAVE needs an RDB file, and omniproxy writes none"
)

// UnknownProtocolType answers DEBUG PROTOCOL of none of the types.
func UnknownProtocolType(types string) Error {
	return Errorf("ERR Wrong protocol type name. Please use one of the following: %s", types)
}
