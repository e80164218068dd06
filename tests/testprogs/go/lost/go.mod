module lost

go 1.18
