# endurance.gnuplot DIR: a picture, DIR/endurance.png, of what `make endure` saw.
dir = ARG1
set datafile separator ","
set terminal pngcairo size 1800,1000
set output dir."/endurance.png"
set key top left
set xlabel "minutes"
set yrange [0:*]
set grid
set multiplot layout 2,3
do for [column in "2 3 4 5"] {
    set title word("- resident-MB heap-MB-between-collections descriptors goroutines", int(column))
    plot for [server in "json shared session"] dir."/".server.".csv" skip 1 using 1:int(column) with lines title server
}
set title "commands done and failed (millions)"
plot for [server in "json shared session"] dir."/".server.".csv" skip 1 using 1:($6/1e6) with lines title server, \
     for [server in "shared session"] dir."/".server.".csv" skip 1 using 1:($7/1e6) with lines dashtype 2 title server." failed"
unset multiplot
