package engine

import (
	"github.com/omniproxy/omniproxy/jsonbackend/engine/value"
	"github.com/omniproxy/omniproxy/resp/wire"
)

// groupOptions reads the options behind XGROUP CREATE or SETID key group id.
func (c *Call) groupOptions() (create bool, entriesRead int64, err error) {
	entriesRead = value.UnknownReads
	for i := 5; i < len(c.Args); i++ {
		switch {
		case c.Spec.Name == "XGROUP CREATE" && c.Is(i, "MKSTREAM"):
			create = true
		case c.Is(i, "ENTRIESREAD") && i+1 < len(c.Args):
			i++
			if entriesRead, err = c.Int(i); err != nil {
				return false, 0, err
			}
			if entriesRead < 0 && entriesRead != value.UnknownReads {
				return false, 0, wire.ErrEntriesRead
			}
		default:
			return false, 0, wire.BadSubcommand(c.Args[0], c.Args[1])
		}
	}
	return create, entriesRead, nil
}

// streamOfGroups returns the stream that a call of XGROUP is about, XGROUP <subcommand> key group ...
func (c *Call) streamOfGroups() (*value.Stream, error) {
	s, err := c.Tx.Stream(c.Args[2])
	if s == nil && err == nil {
		err = wire.ErrXGroupNoKey
	}
	return s, err
}

// existingGroup returns the stream and the group that a call of XGROUP is about.
func (c *Call) existingGroup() (*value.Stream, error) {
	s, err := c.streamOfGroups()
	if err != nil {
		return nil, err
	}
	if s.Group(string(c.Args[3])) == nil {
		return nil, wire.NoGroupForKey(c.Args[3], c.Args[2])
	}
	return s, nil
}

// editGroup returns the group that a call of XGROUP is about, to be edited. It exists.
func (c *Call) editGroup() *value.Group {
	s, _ := c.Tx.EditStream(c.Args[2])
	return s.EditGroup(string(c.Args[3]))
}

func xgroupCreate(c *Call) error {
	create, entriesRead, err := c.groupOptions()
	if err != nil {
		return err
	}
	key := c.Args[2]
	s, err := c.Tx.Stream(key)
	switch {
	case err != nil:
		return err
	case s == nil && !create:
		return wire.ErrXGroupNoKey
	case len(c.Args) > 8:
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	var id value.StreamID
	if string(c.Args[4]) != "$" {
		if id, err = c.streamID(4); err != nil {
			return err
		}
	} else if s != nil {
		id = s.LastID()
	}
	group := string(c.Args[3])
	if s != nil && s.Group(group) != nil {
		return wire.ErrBusyGroup
	}
	born := s == nil
	s, _ = c.Tx.EditStream(key)
	s.CreateGroup(group, id, entriesRead)
	if born {
		c.Tx.Changed(key)
	} else {
		c.Tx.ChangedWithin(key)
	}
	c.Tx.Notify(streamEvent, "xgroup-create", key)
	c.Reply.OK()
	return nil
}

func xgroupSetID(c *Call) error {
	_, entriesRead, err := c.groupOptions()
	if err != nil {
		return err
	}
	s, err := c.existingGroup()
	switch {
	case err != nil:
		return err
	case len(c.Args) != 5 && len(c.Args) != 7:
		return wire.BadSubcommand(c.Args[0], c.Args[1])
	}
	id := s.LastID()
	if string(c.Args[4]) != "$" {
		var ok bool
		if id, ok = value.ParseStreamEdge(c.Args[4], 0); !ok {
			return wire.ErrInvalidStreamID
		}
	}
	c.editGroup().SetID(id, entriesRead)
	c.Tx.ChangedWithin(c.Args[2])
	c.Tx.Notify(streamEvent, "xgroup-setid", c.Args[2])
	c.Reply.OK()
	return nil
}

// xgroupDestroy wakes those who read through the group: they are told that it is gone.
func xgroupDestroy(c *Call) error {
	s, err := c.streamOfGroups()
	if err != nil {
		return err
	}
	key, group := c.Args[2], string(c.Args[3])
	there := s.Group(group) != nil
	if there {
		s, _ = c.Tx.EditStream(key)
		s.DestroyGroup(group)
		c.Tx.ChangedWithin(key)
		c.Tx.Notify(streamEvent, "xgroup-destroy", key)
		c.Tx.wake(string(key))
	}
	c.yesNo(there)
	return nil
}

func xgroupCreateConsumer(c *Call) error {
	if _, err := c.existingGroup(); err != nil {
		return err
	}
	created := c.editGroup().CreateConsumer(string(c.Args[4]), c.Tx.Now)
	if created {
		c.Tx.ChangedWithin(c.Args[2])
		c.Tx.Notify(streamEvent, "xgroup-createconsumer", c.Args[2])
	}
	c.yesNo(created)
	return nil
}

func xgroupDelConsumer(c *Call) error {
	if _, err := c.existingGroup(); err != nil {
		return err
	}
	pending, there := c.editGroup().DeleteConsumer(string(c.Args[4]))
	if there {
		c.Tx.ChangedWithin(c.Args[2])
		c.Tx.Notify(streamEvent, "xgroup-delconsumer", c.Args[2])
	}
	c.Reply.Int(int64(pending))
	return nil
}
