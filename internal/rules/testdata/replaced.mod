module example.com/replaced

go 1.26.0

require example.com/fork v1.0.0

replace example.com/fork => ../fork
