module relay

go 1.18
