package wire

// Configuration.
const (
	// ErrConfigRewrite: CONFIG REWRITE of a server that was started without a file.
	ErrConfigRewrite Error = "ERR The server is running without a config file"
)

// UnknownConfig answers CONFIG SET of a parameter that does not exist.
func UnknownConfig(name []byte) Error {
	return Errorf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", text(name))
}

// ConfigSetFailed answers CONFIG SET, perhaps of several parameters, when it cannot set the one that is named.
func ConfigSetFailed(name string, reason error) Error {
	return Errorf("ERR CONFIG SET failed (possibly related to argument '%s') - %v", text([]byte(name)), reason)
}
