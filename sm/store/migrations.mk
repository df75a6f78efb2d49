# The schema's files are part of the object (see migrations.c), which the compiler's own dependencies do not tell.
$(OUT)/sm/store/migrations.o: $(wildcard sm/store/migrations/*.sql)
