export type TcbStatus = 'UpToDate'
