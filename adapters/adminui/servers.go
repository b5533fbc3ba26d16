package adminui

import (
	"fmt"
	"net/http"

	"github.com/imap2api/imap2api/commands"
	"github.com/imap2api/imap2api/domain"
	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

func (u *ui) serverRoutes(get, post func(string, handler)) {
	get("/servers/", (*ui).listServers)
	get("/servers/new/", (*ui).newServer)
	post("/servers/new/", (*ui).addServer)
	post("/servers/test/", (*ui).testServer)
	get("/servers/{id}/", (*ui).oneServer)
	get("/servers/{id}/edit/", (*ui).editServer)
	post("/servers/{id}/edit/", (*ui).saveServer)
	post("/servers/{id}/sync/", (*ui).syncServer)
	post("/servers/{id}/cancel/", (*ui).cancelSync)
	post("/servers/{id}/check/", (*ui).checkCoverage)
	get("/servers/{id}/delete/", (*ui).confirmDelete)
	post("/servers/{id}/delete/", (*ui).deleteServer)
}

func (u *ui) listServers(r *request) error {
	list, err := u.app.ListAccounts(r.Context(), queries.ListAccounts{Journal: r.who.Journal, Paging: queries.Paging{Size: 100, Number: 1}})
	if err != nil {
		return err
	}
	return u.show(r, "servers", page{Title: "IMAP servers", Nav: "servers", Data: list.Items})
}

func (u *ui) newServer(r *request) error {
	return u.show(r, "server_edit", page{Title: "Add an IMAP server", Nav: "servers", Data: newServerForm(0, blankServer())})
}

// account returns the account that the path names.
func (u *ui) account(r *request) (queries.Account, error) {
	id, err := r.pathID("id")
	if err != nil {
		return queries.Account{}, err
	}
	return u.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: domain.AccountID(id)})
}

// serverFormAgain answers with the form and what is wrong with it.
func (u *ui) serverFormAgain(r *request, f *serverForm) error {
	title := "Add an IMAP server"
	if f.ID != 0 {
		title = "Settings of " + f.Settings.Name
	}
	u.write(r, http.StatusUnprocessableEntity, "server_edit", page{Title: title, Nav: "servers", Data: f})
	return nil
}

// addServer adds a server whose login works. Whoever knows better adds it untested.
func (u *ui) addServer(r *request) error {
	f, err := readServer(r, 0, blankServer())
	if err != nil {
		return err
	}
	untested := f.checked("untested") && f.Settings.Host != ""
	if f.ok() && !untested {
		if err := u.test(r, f); err != nil {
			return err
		}
	}
	if !f.ok() || !untested && f.Probe.Code != commands.CodeOK {
		return u.serverFormAgain(r, f)
	}
	s := f.Settings
	if s.Username == "" {
		s.Username = f.Address
	}
	if s.Name == "" {
		s.Name = f.Address
	}
	made, err := u.app.AddAccount(r.Context(), commands.AddAccount{Journal: r.who.Journal, Meta: r.meta(), Settings: s, Password: f.password})
	if err != nil {
		return err
	}
	u.settle(r.Context(), r.who.Journal, made.Position)
	return u.redirect(r, fmt.Sprintf("/servers/%d/?done=added", made.Account))
}

// testServer tries what the form says, without keeping anything.
func (u *ui) testServer(r *request) error {
	var id domain.AccountID
	before := blankServer()
	if _, err := fmt.Sscan(r.PostFormValue("id"), &id); err == nil && id != 0 {
		acc, err := u.app.GetAccount(r.Context(), queries.GetAccount{Journal: r.who.Journal, ID: id})
		if err != nil {
			return err
		}
		before = acc.Settings
	}
	f, err := readServer(r, int64(id), before)
	if err != nil {
		return err
	}
	if f.ok() {
		if err := u.test(r, f); err != nil {
			return err
		}
	}
	if r.live() {
		return u.part(r, "server_edit", "probe", f)
	}
	return u.serverFormAgain(r, f)
}

func (u *ui) editServer(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	return u.show(r, "server_edit", page{Title: "Settings of " + acc.Settings.Name, Nav: "servers", Data: newServerForm(int64(acc.ID), acc.Settings)})
}

func (u *ui) saveServer(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	f, err := readServer(r, int64(acc.ID), acc.Settings)
	if err != nil {
		return err
	}
	if !f.ok() {
		return u.serverFormAgain(r, f)
	}
	cmd := commands.ChangeAccount{
		Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID, IfVersion: acc.Version,
		Change: func(events.AccountSettings) (events.AccountSettings, error) { return f.Settings, nil },
	}
	if f.password != "" {
		cmd.Password = &f.password
	}
	pos, err := u.app.ChangeAccount(r.Context(), cmd)
	if err != nil {
		return err
	}
	u.settle(r.Context(), r.who.Journal, pos)
	return u.redirect(r, fmt.Sprintf("/servers/%d/?done=saved", acc.ID))
}

func (u *ui) syncServer(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	if _, err := u.app.RequestSync(r.Context(), commands.RequestSync{Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID, Cause: "request"}); err != nil {
		return err
	}
	return u.redirect(r, fmt.Sprintf("/servers/%d/?done=sync", acc.ID))
}

func (u *ui) cancelSync(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	runs, err := u.runs(r, acc.ID)
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		if _, err := u.app.CancelSync(r.Context(), commands.CancelSync{Journal: r.who.Journal, Account: acc.ID, Sync: runs[0].Sync}); err != nil {
			return err
		}
	}
	return u.redirect(r, fmt.Sprintf("/servers/%d/?done=cancelled", acc.ID))
}

func (u *ui) checkCoverage(r *request) error {
	acc, err := u.account(r)
	if err != nil {
		return err
	}
	if _, err := u.app.CheckCoverage(r.Context(), commands.CheckCoverage{Journal: r.who.Journal, Meta: r.meta(), Account: acc.ID}); err != nil {
		return err
	}
	return u.redirect(r, fmt.Sprintf("/servers/%d/?done=check", acc.ID))
}

// deletePage is what is erased with a server.
type deletePage struct {
	Account    queries.Account
	Statistics queries.Statistics
	Fault      string
}

func (u *ui) deletion(r *request) (deletePage, error) {
	acc, err := u.account(r)
	if err != nil {
		return deletePage{}, err
	}
	stats, err := u.app.GetStatistics(r.Context(), queries.GetStatistics{Journal: r.who.Journal, Accounts: []domain.AccountID{acc.ID}})
	return deletePage{Account: acc, Statistics: stats}, err
}

func (u *ui) confirmDelete(r *request) error {
	d, err := u.deletion(r)
	if err != nil {
		return err
	}
	return u.show(r, "server_delete", page{Title: "Delete " + d.Account.Settings.Name, Nav: "servers", Data: d})
}

func (u *ui) deleteServer(r *request) error {
	d, err := u.deletion(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("name") != d.Account.Settings.Name {
		d.Fault = "Type the name as it is written above."
		u.write(r, http.StatusUnprocessableEntity, "server_delete", page{Title: "Delete " + d.Account.Settings.Name, Nav: "servers", Data: d})
		return nil
	}
	pos, err := u.app.EraseAccount(r.Context(), commands.EraseAccount{Journal: r.who.Journal, Meta: r.meta(), Account: d.Account.ID})
	if err != nil {
		return err
	}
	u.settle(r.Context(), r.who.Journal, pos)
	return u.redirect(r, "/servers/?done=deleted")
}
