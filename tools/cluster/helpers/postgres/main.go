// Starts Postgres as the official image does: an empty PGDATA is initialised from POSTGRES_USER, POSTGRES_PASSWORD and
// POSTGRES_DB first, and arguments go to the server.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const bin = "/opt/postgres/bin/"

func setting(name, fallback string) string {
	if file := os.Getenv(name + "_FILE"); file != "" {
		content, err := os.ReadFile(file)
		check(err, "reading "+name+"_FILE")
		return strings.TrimRight(string(content), "\n")
	}
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func check(err error, doing string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "postgres: %s: %v\n", doing, err)
		os.Exit(1)
	}
}

func run(input string, name string, args ...string) {
	command := exec.Command(bin+name, args...)
	command.Stdin = strings.NewReader(input)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	check(command.Run(), name)
}

func initialise(data string) {
	user := setting("POSTGRES_USER", "postgres")
	password := setting("POSTGRES_PASSWORD", "")
	database := setting("POSTGRES_DB", user)
	if password == "" {
		check(fmt.Errorf("POSTGRES_PASSWORD is not set"), "initialising")
	}
	check(os.MkdirAll(filepath.Dir(data), 0o700), "making the folder")
	// Half an initialisation is thrown away by never having the final name.
	half := data + ".new"
	check(os.RemoveAll(half), "removing half an initialisation")
	secret := filepath.Join(os.TempDir(), "password")
	check(os.WriteFile(secret, []byte(password), 0o600), "writing the password")
	run("", "initdb", "--pgdata="+half, "--username="+user, "--pwfile="+secret, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	check(os.Remove(secret), "removing the password")
	if database != "postgres" {
		quoted := `"` + strings.ReplaceAll(database, `"`, `""`) + `"`
		run("CREATE DATABASE "+quoted+";\n", "postgres", "--single", "-D", half, "postgres")
	}
	access, err := os.OpenFile(filepath.Join(half, "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	check(err, "opening pg_hba.conf")
	_, err = access.WriteString("host all all all scram-sha-256\n")
	check(err, "writing pg_hba.conf")
	check(access.Close(), "closing pg_hba.conf")
	check(os.Rename(half, data), "putting the data in place")
}

func main() {
	data := setting("PGDATA", "/var/lib/postgresql/data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); os.IsNotExist(err) {
		initialise(data)
	}
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "postgres" {
		args = args[1:]
	}
	args = append([]string{bin + "postgres", "-D", data, "-c", "listen_addresses=*", "-c", "unix_socket_directories=/tmp"}, args...)
	check(syscall.Exec(bin+"postgres", args, os.Environ()), "starting the server")
}
