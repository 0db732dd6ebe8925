// The type of Grafana's dashboards, from Grafana's own package. check_deploy.sh puts deploy/grafana/backplane.json behind it
// and compiles that: a field that Grafana does not know, or a value of another type, is an error.
import type { Dashboard, Panel, RowPanel } from '@grafana/schema';
import type { FieldConfig, Options } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// In JSON an enum is the text or the number that it stands for.
type Json<T> = T extends string ? `${T}`
  : T extends number | boolean ? T
  : T extends (infer Item)[] ? Json<Item>[]
  : T extends object ? { [Name in keyof T]: Json<T[Name]> }
  : T;
type Row = Json<Omit<RowPanel, 'panels'>> & { type: 'row'; panels: [] };
type Plot = Json<Omit<Panel<never, Partial<FieldConfig>>, 'options'>> & { type: 'timeseries'; options: Json<Options> };

export const dashboard: Json<Omit<Dashboard, 'panels'>> & { panels: (Row | Plot)[] } =
