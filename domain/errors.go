package domain

import "errors"

// The kinds of error that callers act on. Everything else is a fault of ours.
var (
	// ErrNotFound: there is no such thing, or it is not the asker's.
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the input is wrong; see FieldError.
	ErrInvalid = errors.New("invalid")
	// ErrConflict: the state does not allow it now.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: something that is needed is away for now.
	ErrUnavailable = errors.New("unavailable")
	// ErrReadOnly: the user has not allowed that anything is changed on the server of an account.
	ErrReadOnly = errors.New("read-only")
	// ErrStale: the version that the caller named is not the present one.
	ErrStale = errors.New("stale version")
)

// FieldError is a fault of one field of the input. It is an ErrInvalid.
type FieldError struct {
	Field   string // as clients spell it
	Message string // for clients, a sentence
}

// Error returns the field and what is wrong with it.
func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// Is reports whether target is ErrInvalid.
func (e *FieldError) Is(target error) bool { return target == ErrInvalid }
